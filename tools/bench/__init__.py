"""What a payment costs: our own code's time, cold imports, and requests a second (`./invoke bench.payment`)."""
