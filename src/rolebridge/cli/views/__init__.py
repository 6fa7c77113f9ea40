"""What commands print: values of the use cases as text for people and as JSON documents for programs."""
