"""The only code that speaks SQL. One module per noun; every function takes a connection from `engine`."""
