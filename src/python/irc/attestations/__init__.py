"""What an image says of itself to others: bills of materials, provenance, and how they are attached."""
