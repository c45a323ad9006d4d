"""Parts of pages: they take values and return values; none reads the session or the cache."""
