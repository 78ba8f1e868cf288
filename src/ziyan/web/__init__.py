"""Pages for people: the try page and the documentation, server-rendered and loading nothing from elsewhere."""
