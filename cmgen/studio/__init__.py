"""The page on which exported models are tried out."""
