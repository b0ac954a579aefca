"""What comes in and goes out: pictures, signals, films, result files, colours."""
