"""From a collapsed body and its neighbours to millilitres with an interval and a verdict."""
