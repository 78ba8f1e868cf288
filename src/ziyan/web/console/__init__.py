"""The buyers' console: what an account has, uses and pays."""
