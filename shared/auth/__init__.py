"""Who may change the probe: keys of four kinds, and the tags they put on messages.

    profiles   what the kinds are called, and what they cost in bytes
    schedule   when the keys of a chain are used and disclosed: the condition on time
    tesla      one-way chains of keys
    keys       keys as values, as text and in files
    rotation   the message that changes whom the probe trusts
    tags       making and checking a tag

docs/authentication.md says what each kind protects against and what it does not.
"""
