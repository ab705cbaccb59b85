"""What a picture says of how it was made: A1111's text, and this project's exact record beside it."""
