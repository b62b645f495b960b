"""The claims on a real vision-language model: what is measured, the exact twin beside it, the demo."""
