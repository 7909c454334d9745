"""Messages that wait: what is authentic is kept, what strangers send is bounded."""
