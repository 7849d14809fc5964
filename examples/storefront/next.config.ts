import type { NextConfig } from "next"

// `next build` writes the NEXT_PUBLIC_* values into the pages, so a build without them would be a broken shop.
const missing = ["NEXT_PUBLIC_MEDUSA_BACKEND_URL", "NEXT_PUBLIC_MEDUSA_PUBLISHABLE_KEY", "NEXT_PUBLIC_BASE_URL"].filter(
  (name) => !process.env[name],
)
if (missing.length) {
  throw new Error(`${missing.join(", ")} not set: set them in the environment or in .env (see .env.template).`)
}

const nextConfig: NextConfig = {
  poweredByHeader: false,
  // Pictures come from the backend's file storage, whatever its host is: the browser loads them as they are.
  images: { unoptimized: true },
}

export default nextConfig
