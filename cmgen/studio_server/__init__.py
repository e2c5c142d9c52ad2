"""The page on which trained models can be tried out: sound to picture, and picture to sound."""
