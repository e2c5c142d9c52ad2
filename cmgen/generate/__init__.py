"""Trained models at work: pictures, films and sounds."""
