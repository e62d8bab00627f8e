"""The payment function: POST /payment and GET /payment/{paymentId}."""
