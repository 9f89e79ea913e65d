"""How ``./pkp`` sets itself up; standard library only, because nothing else is there yet."""
