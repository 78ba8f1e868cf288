"""Pure inference: image bytes in, a Page out.  Knows nothing of the web, of SQL or of Ray."""
