"""Operations of several steps on clusters: deploy-broker, token, join, leave. They call adapters and the plan."""
