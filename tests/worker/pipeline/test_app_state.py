import contextlib

from hookbus import App
from hookbus.worker.pipeline.routes import build
from tests.worker.pipeline.test_routes import handle


def test_the_apps_of_a_group_with_a_lifespan_have_a_state_each_which_their_routes_share():
    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield

    first, second, third = App("g", lifespan=lifespan), App("g", lifespan=lifespan), App("g")
    first.on("a.a")(handle)
    first.on("a.b")(handle)
    second.on("b")(handle)
    third.on("c")(handle)
    [group] = build([first, second, third, first], 30)
    assert [state.app for state in group.app_states] == [first, second]
    states = {route.pattern: route.state for route in group.routes}
    assert states["a.a"] is states["a.b"] is group.app_states[0]
    assert (states["b"], states["c"]) == (group.app_states[1], None)
