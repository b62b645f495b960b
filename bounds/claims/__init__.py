"""The claims of theory.md by subject: records, assumptions and how they are measured."""
