"""A cement injector that is not in the room: plunger, barrel, cannula and bone behind a Modbus RTU line."""
