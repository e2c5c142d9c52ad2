"""The paper's human evaluation: people rate pictures from 0 to 3 on a web page (section 5.3)."""
