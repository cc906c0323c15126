// The constructors that tell an app from any other object.
#include <algorithm>
#include <array>

#include "config/python_names.h"

namespace cutwater::config {
namespace {

constexpr std::array kWsgi = std::to_array<std::string_view>(
    {"Flask", "APIFlask", "FlaskAPI", "Eve", "Bottle", "default_app", "get_wsgi_application", "make_wsgi_app",
     "wsgifunc", "WSGIApplication", "ASGIMiddleware", "AsgiToWsgi", "DispatcherMiddleware", "WSGIHandler", "falcon.App",
     "falcon.API", "connexion.FlaskApp", "morepath.App", "Klein"});
constexpr std::array kAsgi = std::to_array<std::string_view>(
    {"FastAPI", "Starlette", "Quart", "Litestar", "Starlite", "Sanic", "get_asgi_application", "ProtocolTypeRouter",
     "WsgiToAsgi", "WSGIMiddleware", "AsyncApp", "falcon.asgi.App", "blacksheep.Application", "tornado.web.Application",
     "quart_trio.QuartTrio"});
constexpr std::array kFactories = std::to_array<std::string_view>({"create_app", "make_app"});
constexpr std::array kNoWebApps = std::to_array<std::string_view>(
    {"Celery", "Typer", "Blueprint", "APIRouter", "QApplication", "QGuiApplication", "QCoreApplication", "Tk", "CTk",
     "Huey", "Dash", "Client", "AppBuilder", "Cyclopts"});

template <class List>
bool names(const List& list, std::string_view whole, std::string_view last) {
  return std::any_of(list.begin(), list.end(), [&](std::string_view known) { return known == whole || known == last; });
}

}  // namespace

Constructor classify_constructor(std::string_view full_name) {
  size_t dot = full_name.rfind('.');
  std::string_view last = dot == std::string_view::npos ? full_name : full_name.substr(dot + 1);
  if (names(kWsgi, full_name, last)) return Constructor::kWsgi;
  if (names(kAsgi, full_name, last)) return Constructor::kAsgi;
  if (names(kFactories, full_name, last)) return Constructor::kFactory;
  return names(kNoWebApps, full_name, last) ? Constructor::kNoWebApp : Constructor::kUnknown;
}

}  // namespace cutwater::config
