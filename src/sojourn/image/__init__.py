"""A process at rest on its way: its bytes in chunks, each with a digest, sent and checked as a stream."""
