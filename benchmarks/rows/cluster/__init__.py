"""What is measured on a cluster."""
