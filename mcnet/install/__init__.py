"""Operations of several steps on clusters: deploy-broker, token, join, leave, exports. They call adapters and the
plan.
"""
