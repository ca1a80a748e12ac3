"""Events of one traveller, gathered in one object."""
