"""The functions' code. `domain` decides and knows neither AWS nor HTTP; `adapters` are its ports on AWS; `web` is HTTP.

Every folder with a `main.py` is one function (`lambdas.<function>.main.handler`).
"""
