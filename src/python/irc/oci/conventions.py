"""What generated code, images, manifests and containers of agents agree upon."""

PYTHON = "3.11"
PORT = 8080
USER_ID = 65532  # "nonroot", as distroless images have it
LAMBDA_HANDLER = "handler"  # of the generated module
