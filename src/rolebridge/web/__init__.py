"""What every HTTP face shares: how a request comes in, who sent it, and how a refusal looks."""
