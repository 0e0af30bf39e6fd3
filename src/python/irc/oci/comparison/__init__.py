"""What differs between two images, wherever they lie."""
