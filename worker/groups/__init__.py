"""Operations on a whole group: pause it, replay retained events to it, or remove it."""
