"""Parts shared by the integration tests, the fault tests and the demonstration."""
