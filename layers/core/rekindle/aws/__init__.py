"""The ports on AWS. The only package that imports botocore; may import ports and domain.

One module for each port or few. Every DynamoDB expression names and fills its parts through placeholders.
"""
