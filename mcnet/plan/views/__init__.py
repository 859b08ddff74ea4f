"""What `mcnet show` says, one file per view: rows of plain values from what was read of all contexts.

A row's `why` says what is not well ("" if all is), `next` what to do about it, `note` what is only good to know.
Reading is mcnet.show.gather's, columns and colours are mcnet.show's.
"""
