"""Voice: sound, phones, visemes, speech and text drivers."""
