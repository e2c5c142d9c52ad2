"""What an export ships as client.py; files that stand alone."""
