"""Who may change the probe: keys of four kinds, and the tags they put on messages.

    profiles   what the kinds are called, and what they cost in bytes
    tesla      one-way chains of keys, their schedule, and the condition on time
    keys       keys as values, as text and in files
    rotation   the message that changes whom the probe trusts
    tags       making and checking a tag

docs/authentication.md says what each kind protects against and what it does not.
"""
