"""Shared by the pages of the studio and of the rating."""
