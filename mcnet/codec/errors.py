"""What decoding says when an object or a datagram can't be understood."""


class DecodeError(ValueError):
    """`name` is the object's name, `field` the path of the field ("spec.mtu"), `why` the fault.

    What has no name and fields, such as a datagram, gives its one sentence as `name`.
    """

    def __init__(self, name: str, field: str = "", why: str = "") -> None:
        super().__init__(": ".join(part for part in (name, field, why) if part))
        self.name = name
        self.field = field
        self.why = why
