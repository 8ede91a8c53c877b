"""What the zones know: packs of data, and the code that reads columns with them."""
