"""Opening of movies: `open_movie` and its arguments, objects of other libraries, and details of scenes."""
