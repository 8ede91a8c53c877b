"""What a provider runs before anything leaves it: a file classified, graded, encrypted and signed."""
