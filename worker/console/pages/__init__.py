"""The pages of the console, one a file: each turns what it is asked for into the values of a template."""
