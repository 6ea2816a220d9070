"""One file is one society; the catalog finds it by its file name."""
