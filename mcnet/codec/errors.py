"""What decoding says when an object can't be understood."""


class DecodeError(ValueError):
    """`object` is the object's name, `field` the path of the field ("spec.mtu"), `why` the fault."""

    def __init__(self, name: str, field: str, why: str) -> None:
        super().__init__(f"{name}: {field}: {why}")
        self.name = name
        self.field = field
        self.why = why
