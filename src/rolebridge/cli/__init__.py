"""The command line: commands and their text, JSON and Markdown views."""
