"""Where rows come from: one source a file, named by what it reads."""
