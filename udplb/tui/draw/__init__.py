"""Drawing: numbers in, rows of text out. Nothing here knows a terminal, a theme or a clock."""
