import { createRootRoute, createRoute, createRouter, type ErrorComponentProps } from '@tanstack/react-router'

import { Failure } from '../components/failure.tsx'
import { ComparePage } from '../pages/compare/page.tsx'
import { compareSearch } from '../pages/compare/search.ts'
import { EndpointPage } from '../pages/endpoint/page.tsx'
import { endpointSearch } from '../pages/endpoint/search.ts'
import { EndpointsPage } from '../pages/endpoints/page.tsx'
import { endpointsSearch } from '../pages/endpoints/search.ts'
import { FindingPage } from '../pages/findings/finding_page.tsx'
import { FindingsPage } from '../pages/findings/page.tsx'
import { findingSearch, findingsSearch } from '../pages/findings/search.ts'
import { MapPage } from '../pages/map/page.tsx'
import { mapSearch } from '../pages/map/search.ts'
import { RedeyePage } from '../pages/redeye/page.tsx'
import { PlanPage } from '../pages/redeye/plan_page.tsx'
import { planSearch, redeyeSearch } from '../pages/redeye/search.ts'
import { RequestPage } from '../pages/request/page.tsx'
import { requestSearch } from '../pages/request/search.ts'
import { SearchPage } from '../pages/search/page.tsx'
import { searchSearch } from '../pages/search/search.ts'
import { useMessages } from './preferences.ts'
import { Shell } from './shell.tsx'

const rootRoute = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: Crashed })

const endpointsRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  validateSearch: endpointsSearch,
  component: EndpointsPage,
})
const endpointRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/e/$service/$name',
  validateSearch: endpointSearch,
  component: EndpointPage,
})
const findingsRoute = createRoute({ getParentRoute: () => rootRoute, path: '/findings', validateSearch: findingsSearch, component: FindingsPage })
const findingRoute = createRoute({ getParentRoute: () => rootRoute, path: '/findings/$id', validateSearch: findingSearch, component: FindingPage })
const redeyeRoute = createRoute({ getParentRoute: () => rootRoute, path: '/redeye', validateSearch: redeyeSearch, component: RedeyePage })
const planRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/redeye/$service/$hash',
  validateSearch: planSearch,
  component: PlanPage,
})
const mapRoute = createRoute({ getParentRoute: () => rootRoute, path: '/map', validateSearch: mapSearch, component: MapPage })
const compareRoute = createRoute({ getParentRoute: () => rootRoute, path: '/compare', validateSearch: compareSearch, component: ComparePage })
const searchRoute = createRoute({ getParentRoute: () => rootRoute, path: '/traces', validateSearch: searchSearch, component: SearchPage })
const requestRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/trace/$id',
  validateSearch: requestSearch,
  component: RequestPage,
})

// Search parameters are plain text in the address: an id of sixteen decimal digits is not a number.
export const router = createRouter({
  routeTree: rootRoute.addChildren([
    endpointsRoute,
    endpointRoute,
    searchRoute,
    requestRoute,
    findingsRoute,
    findingRoute,
    redeyeRoute,
    planRoute,
    mapRoute,
    compareRoute,
  ]),
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(search)) {
      if (value !== undefined && value !== '') query.set(name, String(value))
    }
    const text = query.toString()
    return text === '' ? '' : `?${text}`
  },
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

function NotFound() {
  return <p className="lead">{useMessages().app.notFound}</p>
}

function Crashed({ error, reset }: ErrorComponentProps) {
  return (
    <Failure error={error instanceof Error ? error : new Error(String(error))} retry={reset}>
      <p>{useMessages().app.crashed}</p>
    </Failure>
  )
}
