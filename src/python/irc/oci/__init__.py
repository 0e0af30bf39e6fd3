"""OCI images without a daemon: layers, base images, configurations, layouts."""
