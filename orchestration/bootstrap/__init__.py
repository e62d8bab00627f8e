"""What an account needs before the first stack, and no stack may own: looked for first, and made where it is missing.

Plain calls of AWS, without Pulumi (docs/decisions/0036-before-pulumi-without-pulumi.md).
"""
